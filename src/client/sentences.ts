/** What became of a call, in words (DESIGN §7): used by the page and the command line. */

interface Row {
  /** SIP status of the final answer; "none" = there was none, or the session ended later. */
  readonly status: number | "none";
  /** Warn-code of RFC 3261 §20.43. */
  readonly warning?: number;
  /** Text of the Reason header (RFC 3326), or "timeout" or "transport" where no answer came. */
  readonly reason?: string;
  readonly sentence: string;
}

/** The first row whose every field fits is taken: the particular stands before the general. */
const ROWS: readonly Row[] = [
  { status: 488, reason: "user-full", sentence: "Your own line is not fast enough for this channel right now." },
  { status: 488, reason: "rate-wished", sentence: "This channel has no picture at so low a rate." },
  { status: 488, reason: "rate-too-high", sentence: "This channel's rate is higher than the operator allows." },
  { status: 488, reason: "no-group", sentence: "The operator's network cannot carry another channel right now." },
  { status: 488, reason: "ingest-full", sentence: "The operator's network cannot take in another broadcast right now." },
  {
    status: 488,
    reason: "preempted",
    sentence: "The operator's network needed the bandwidth for something more important.",
  },
  {
    status: 488,
    warning: 370,
    sentence: "There is not enough bandwidth on the operator's network for this channel right now.",
  },
  { status: 488, sentence: "This device cannot play the format of this channel." },
  { status: 401, sentence: "Your name or password was not accepted. Please sign in again." },
  { status: 403, reason: "not-owner", sentence: "This channel belongs to somebody else." },
  { status: 403, sentence: "You are not allowed to watch this channel." },
  { status: 404, sentence: "There is no such channel." },
  { status: 407, sentence: "Your name or password was not accepted. Please sign in again." },
  { status: 408, sentence: "The server did not answer in time. Please try again." },
  { status: 480, reason: "unknown-edge", sentence: "This channel cannot be reached from where you are right now." },
  { status: 480, sentence: "This channel is off air at the moment." },
  { status: 481, sentence: "This session had already ended. Please choose the channel again." },
  { status: 486, sentence: "This channel is already on air from another device." },
  { status: 487, sentence: "The call was cancelled." },
  { status: 503, reason: "transport", sentence: "The connection to the server was lost." },
  { status: 503, sentence: "The server is busy right now. Please try again in a moment." },
  { status: 504, sentence: "The network did not decide in time whether it can carry this channel. Please try again." },
  { status: 603, sentence: "The broadcaster declined." },
  { status: "none", reason: "timeout", sentence: "The server did not answer in time. Please try again." },
  { status: "none", reason: "transport", sentence: "The connection to the server was lost." },
  { status: "none", reason: "media-gone", sentence: "The picture no longer reached this device." },
  {
    status: "none",
    reason: "preempted",
    sentence: "The operator's network needed the bandwidth for something more important.",
  },
  { status: "none", sentence: "The channel has ended." },
];

/**
 * The sentence a person reads. `status`: of the final SIP answer, `undefined` when none came or the session ended later;
 * `warning`: the Warning header; `reason`: the Reason header or its text, or "timeout" or "transport" for a call that
 * no answer ended. A status without a row gets a sentence that names it.
 */
export function sentence(status: number | undefined, warning?: string, reason?: string): string {
  const warnCode = warning === undefined ? undefined : Number.parseInt(warning, 10);
  const reasonText = /text="([^"]*)"/.exec(reason ?? "")?.[1] ?? reason;
  const row = ROWS.find(
    (each) =>
      each.status === (status ?? "none") &&
      (each.warning === undefined || each.warning === warnCode) &&
      (each.reason === undefined || each.reason === reasonText),
  );
  return row?.sentence ?? `The channel could not be opened (SIP status ${status}).`;
}
