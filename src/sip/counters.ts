/** What a `SipDriver` counts, from its start. */
export class SipCounters {
  messagesIn = 0;
  messagesOut = 0;
  /** CRLFs, empty datagrams and STUN (RFC 5626 §3.5, RFC 3261 §7.5). */
  keepAlives = 0;
  /** No SIP, no Via, or no request and malformed: dropped. */
  garbage = 0;
  /** Malformed requests: answered where a Via tells whither. */
  malformed = 0;
  /** Answered 503 without a transaction. */
  shed = 0;
  /** Requests that our user refused, challenges among them: answered once and forgotten. */
  refusals = 0;
  /** Responses to no transaction of ours: dropped. */
  strays = 0;
  /** Copies of requests and responses that a transaction absorbed. */
  retransmissionsIn = 0;
  retransmissionsOut = 0;
  /** Answers of our user that came after the transaction's end, or that it may not send: dropped. */
  lateAnswers = 0;
  /** Requests that our user never answered in time, and final responses that no ACK came for. */
  abandoned = 0;
  /** Messages for flows that are gone. */
  unsent = 0;
  /** Client transactions that ended in silence (Timer B, F) or with their flow. */
  failures = 0;
  /** Throws of our user: each ended one transaction (DESIGN §10). */
  faults = 0;
}
