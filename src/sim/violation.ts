/** A rule of DESIGN §5 that was broken, and where. */
export interface Violation {
  readonly rule: string;
  readonly what: string;
}

/** What the product throws breaks one as well. */
export function thrownBy(error: unknown): Violation {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { rule: "the product threw", what: `${message}\n${stack?.split("\n").slice(1, 6).join("\n")}` };
}
