/** An error with a system error's `code`, e.g. ECONNREFUSED. */
export const socketError = (code: string, what: string): Error & { readonly code: string } =>
  Object.assign(new Error(`${what} ${code}`), { code });

/** A connection's queue is over its limit. */
export const queueFull = (): Error => socketError("ENOBUFS", "queue limit of the connection");
