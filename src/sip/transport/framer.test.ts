import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { StreamFramer } from "./framer.ts";

/** What comes of these pieces: messages as their text, "*" for a keep-alive, "!" before what cannot be read on after. */
function framed(pieces: readonly Uint8Array[], side: "accepted" | "opened" = "accepted"): string[] {
  const framer = new StreamFramer(side);
  return pieces.flatMap((piece) =>
    framer
      .push(piece)
      .map((frame) => (frame.kind === "keep-alive" ? "*" : `${frame.kind === "broken" ? "!" : ""}${text(frame.bytes)}`)),
  );
}
const message = (body: string, length: string | number = utf8(body).length): string =>
  `MESSAGE sip:b@h SIP/2.0\r\nContent-Length: ${length}\r\n\r\n${body}`;
const head = (...lines: string[]): string => `${["OPTIONS sip:b@h SIP/2.0", ...lines].join("\r\n")}\r\n\r\n`;

const CASES: [name: string, stream: string, wants: string[], side?: "opened"][] = [
  ["two messages in one segment", message("one") + message(""), [message("one"), message("")]],
  ["a body that looks like the end of a head", message("a\r\n\r\nb"), [message("a\r\n\r\nb")]],
  ["octets are counted, not characters", message("Grüße"), [message("Grüße")]],
  ["a compact, folded Content-Length", `${head("l :\r\n  3")}abc`, [`${head("l :\r\n  3")}abc`]],
  ["Content-Length twice, the same", `${head("l: 1", "Content-Length: 01")}a`, [`${head("l: 1", "Content-Length: 01")}a`]],
  ["line breaks before a message (RFC 3261 §7.5)", `\r\n${message("")}\r\n${message("")}`, [message(""), message("")]],
  ["a ping: a double CRLF (RFC 5626 §3.5.1)", `\r\n\r\n${message("")}\r\n\r\n\r\n\r\n`, ["*", message(""), "*", "*"]],
  ["pongs: single CRLFs on the opening side", `\r\n${message("")}\r\n\r\n`, ["*", message(""), "*", "*"], "opened"],
  ["no Content-Length (RFC 3261 §18.3)", `${head("X: 1")}${message("")}`, [`!${head("X: 1")}`]],
  ["a Content-Length that is no number", `${head("Content-Length: -1")}rest`, [`!${head("Content-Length: -1")}`]],
  ["two different Content-Lengths (RFC 4475 §3.3.9)", head("l: 1", "l: 2"), [`!${head("l: 1", "l: 2")}`]],
  ["another protocol", "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", ["!GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"]],
];
for (const [name, stream, wants, side] of CASES) {
  test(`a stream with ${name}, whole and in single octets`, () => {
    const octets = utf8(stream);
    assert.deepEqual(framed([octets], side), wants);
    assert.deepEqual(
      framed(
        Array.from(octets, (octet) => Uint8Array.of(octet)),
        side,
      ),
      wants,
    );
  });
}

test("however a stream is cut, the same messages come out", () => {
  const stream = utf8(`\r\n\r\n${message("one")}\r\n${message("x".repeat(300))}\r\n\r\n${message("")}`);
  const whole = framed([stream]);
  assert.equal(whole.length, 5);
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length })), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), stream.length];
      assert.deepEqual(framed(at.slice(1).map((end, i) => stream.subarray(at[i], end))), whole);
    }),
  );
});

test("a message at the limit is whole, one above is not waited for, nor is a head without end", () => {
  const overhead = utf8(message("", 65_000)).length;
  const body = LIMITS.sipMessageBytes - overhead;
  assert.deepEqual(framed([utf8(message("x".repeat(body)))]), [message("x".repeat(body))]);
  assert.deepEqual(framed([utf8(message("", body + 1))]), [`!${message("", body + 1)}`]);
  const endless = new Uint8Array(LIMITS.sipMessageBytes).fill(0x41);
  assert.deepEqual(framed([endless]), []);
  assert.equal(framed([concat([endless, Uint8Array.of(0x41)])]).length, 1);
});

test("it tells whether a message has begun, and reads nothing after one that it could not measure", () => {
  const framer = new StreamFramer("accepted");
  const inMessage = (stream: string): boolean => {
    framer.push(utf8(stream));
    return framer.inMessage;
  };
  assert.deepEqual(["", "OPT", message("").slice(3), `${message("")}M`].map(inMessage), [false, true, false, true]);
  assert.deepEqual(framed([utf8(head()), utf8(message(""))]), [`!${head()}`]);
});
