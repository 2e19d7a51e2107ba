/** RFC 6455 §7.4.1. */
export const NORMAL_CLOSE = 1000;
export const TOO_BIG_CLOSE = 1009;

/** How the peer ended a message connection, as an error; undefined for an ordinary end: normal, going away, or no code. */
export function closeError(code: number): Error | undefined {
  if (code === NORMAL_CLOSE || code === 1001 || code === 1005) return undefined;
  return new Error(`The peer closed the connection with ${code}`);
}
