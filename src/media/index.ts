/** Streams: RTP with MPEG-TS, groups, relays, the cached group of pictures, and both ends of a viewing. */
export { RtpLiveSender, RtpReceiver, RtpSender, type ViewerSource } from "./client-driver.ts";
export { type MediaConfig, MediaDriver, type StreamReport } from "./driver.ts";
export { CleanEnd } from "./engine/clean-end.ts";
export { type Clip, ClipFault, type ReadClip, readClip } from "./engine/clip.ts";
export type { ReceiverStats } from "./engine/receiver.ts";
export { type TestPattern, testPattern } from "./engine/test-pattern.ts";
export type { MediaPort, MediaUser, StreamId, StreamSource } from "./types.ts";
export { parseRtp } from "./wire/rtp.ts";
