/** Runs at most, so that a long script ends soon enough. */
const MAX_RUNS = 400;

/** A script of any kind, and what a run of it says. */
interface Scripted<Step> {
  readonly steps: readonly Step[];
}
interface Judged {
  readonly violations: readonly { readonly rule: string }[];
}

/**
 * The same script with as few steps as still break the rule that it breaks: pieces are left out, half of it first, then
 * ever smaller ones (delta debugging).
 */
export function shrink<Step, Script extends Scripted<Step>>(script: Script, run: (script: Script) => Judged): Script {
  const rule = run(script).violations[0]?.rule;
  if (rule === undefined) return script;
  let runs = 0;
  const breaks = (steps: readonly Step[]): boolean => {
    runs++;
    return run({ ...script, steps }).violations[0]?.rule === rule;
  };
  let { steps } = script;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < steps.length && runs < MAX_RUNS; ) {
      const fewer = steps.toSpliced(at, size);
      if (breaks(fewer)) steps = fewer;
      else at += size;
    }
  }
  return { ...script, steps };
}
