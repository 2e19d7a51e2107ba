const PATHS = {
  soundOn: "M4 9v6h4l5 4V5L8 9H4zm12.5 3a4 4 0 0 0-2-3.5v7a4 4 0 0 0 2-3.5zm-2-8v2a6.5 6.5 0 0 1 0 12v2a8.5 8.5 0 0 0 0-16z",
  soundOff:
    "M4 9v6h4l5 4V5L8 9H4zm17.5.9-1.4-1.4-2.1 2.1-2.1-2.1-1.4 1.4 2.1 2.1-2.1 2.1 1.4 1.4 2.1-2.1 2.1 2.1 1.4-1.4-2.1-2.1z",
  up: "M12 8.5 5.5 15l1.4 1.4 5.1-5 5.1 5 1.4-1.4z",
  down: "M12 15.5 18.5 9l-1.4-1.4-5.1 5-5.1-5L5.5 9z",
  full: "M5 5h6v2H7v4H5V5zm8 0h6v6h-2V7h-4V5zM5 13h2v4h4v2H5v-6zm12 0h2v6h-6v-2h4v-4z",
  close: "m6.4 5 5.6 5.6L17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4-5.6-5.6L6.4 19 5 17.6l5.6-5.6L5 6.4z",
} as const;

/** Decoration beside a text or a label. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Wordmark() {
  return (
    <span className="wordmark">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <circle cx="16" cy="16" r="4.5" className="mark-dot" />
        <path d="M8 24a11.3 11.3 0 0 1 0-16M24 8a11.3 11.3 0 0 1 0 16" className="mark-wave" />
      </svg>
      sipcast
    </span>
  );
}
