import type { CallEnd } from "#sip/engine/call-types.ts";

/** How a call went, in the terms of `sentence`. */
export interface Outcome {
  /** Final status other than 2xx; none where the call was answered and ended later, or nobody answered. */
  readonly status?: number;
  readonly warning?: string;
  /** Reason header (RFC 3326), or `timeout` or `transport`. */
  readonly reason?: string;
}

export function outcomeOf(end: CallEnd): Outcome {
  switch (end.kind) {
    case "rejected": {
      const { status, headers } = end.response;
      return { status, warning: headers.get("warning"), reason: headers.get("reason") };
    }
    case "failed":
      return { reason: end.cause };
    case "bye":
      return { reason: end.headers.get("reason") };
    case "local":
    case "canceled":
      return {};
  }
}
