/**
 * Says when a promise may leave (DESIGN §5, the gate). `put` on a table returns a ticket; whoever answers a peer hands it
 * to the driver together with the answer, and the driver lets the answer out, in order, once the ticket is safe.
 */
export interface Ticket {
  readonly safe: boolean;
  /** Calls `then` once the ticket is safe; never before this method returns. Not called if it is safe already. */
  onSafe(then: () => void): void;
}

/** Nothing to wait for. */
export const SAFE: Ticket = { safe: true, onSafe: () => undefined };

/** Safe once all are. */
export function allSafe(tickets: readonly Ticket[]): Ticket {
  return {
    get safe(): boolean {
      return tickets.every((ticket) => ticket.safe);
    },
    onSafe(then: () => void): void {
      const open = tickets.filter((ticket) => !ticket.safe);
      let waiting = open.length;
      for (const ticket of open) {
        ticket.onSafe(() => {
          waiting--;
          if (waiting === 0) then();
        });
      }
    },
  };
}
