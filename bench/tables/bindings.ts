import type { Binding } from "#sip/index.ts";

/** The binding of that subscriber's telephone, as the registrar writes it: its key, and its value. */
export function benchBinding(number: number, cseq = 1): readonly [key: string, value: Binding] {
  const aor = `sip:user${String(number).padStart(7, "0")}@tv.example`;
  const host = `10.${(number >> 16) & 0xff}.${(number >> 8) & 0xff}.${number & 0xff}`;
  const uri = `sip:user${String(number).padStart(7, "0")}@${host}:5060`;
  const callId = `${(number * 2_654_435_761).toString(16).padStart(16, "0")}@${host}`;
  return [`${aor} ${uri}`, { aor, contact: `<${uri}>`, callId, cseq, path: [] }];
}
/** Of a registration. */
export const LIFETIME_SEC = 3_600;
