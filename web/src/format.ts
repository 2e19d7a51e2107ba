/** The time of day, as the person's own language writes it. */
export const clock = (wallMs: number): string => new Date(wallMs).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
