import { useEffect, useRef, useState } from "react";
import type { ApiChannel, ApiDeviceSecret, ApiNewDeviceSecret, ApiSession } from "#http/api.ts";
import { api } from "./api.ts";
import { Complaint, Field, type Fields, Form } from "./form.tsx";
import { useCall } from "./hooks.ts";
import { Icon } from "./icons.tsx";
import { QrCode } from "./qr.tsx";

interface AccountProps {
  readonly session: ApiSession;
  readonly channels: readonly ApiChannel[];
  readonly close: () => void;
}

/** The account panel: own channels and the secrets of the person's devices. */
export function AccountPanel({ session, channels, close }: AccountProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="panel" aria-labelledby="account-title" onClose={close} data-testid="account-panel">
      <header>
        <div>
          <h2 id="account-title">{session.user}</h2>
          <p className="quiet">
            {session.aor} · served by {session.home}
          </p>
        </div>
        <button type="button" className="round" aria-label="Close" onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      <OwnChannels session={session} channels={channels} />
      <Devices session={session} />
    </dialog>
  );
}

const DEFAULT_KBPS = 1_500;

function OwnChannels({ session, channels }: Omit<AccountProps, "close">) {
  const { error, busy, run } = useCall();
  const [version, setVersion] = useState(0);
  const own = channels.filter((channel) => channel.owner === session.user);
  const add = async ({ name = "", title = "", kbps = "", mode }: Fields) => {
    const wanted = { name, title, kbps: Number(kbps), mode: mode === "ask" ? mode : "open" } as const;
    if (await run(() => api.addChannel(wanted))) setVersion(version + 1);
  };
  return (
    <section aria-labelledby="own-channels">
      <h3 id="own-channels">Your channels</h3>
      {own.length === 0 && <p className="quiet">You have no channel yet. Add one, then go on air from your computer.</p>}
      <ul className="rows">
        {own.map((channel) => (
          <li key={channel.name} data-testid={`own-${channel.name}`}>
            <div>
              <strong>{channel.title}</strong> <span className="quiet">{channel.name}</span>{" "}
              {channel.onAir && <span className="live">Live</span>}
            </div>
            {!channel.onAir && (
              <>
                <p className="quiet">To go on air, with a device secret from below:</p>
                <Copyable text={broadcastCommand(session, channel)} />
              </>
            )}
          </li>
        ))}
      </ul>
      <details>
        <summary>Add a channel</summary>
        <Form key={version} onSubmit={add} testId="new-channel-form">
          <Field name="title" label="Title" required error={error} testId="new-channel-title" />
          <Field
            name="name"
            label="Name"
            hint={`Its address becomes sip:NAME@${session.domain}.`}
            required
            error={error}
            testId="new-channel-name"
          />
          <Field
            name="kbps"
            label="Rate, kbit/s"
            type="number"
            defaultValue={DEFAULT_KBPS}
            required
            error={error}
            testId="new-channel-kbps"
          />
          <label>
            <input type="checkbox" name="mode" value="ask" data-testid="new-channel-ask" /> Ask me for each viewer
          </label>
          <Complaint error={error} />
          <button type="submit" className="primary" disabled={busy}>
            Add channel
          </button>
        </Form>
      </details>
    </section>
  );
}

const broadcastCommand = ({ user }: ApiSession, { name, mode }: ApiChannel): string =>
  `bin/sipcast broadcast ${name} video.ts --user ${user} --secret DEVICE-SECRET${mode === "ask" ? " --ask" : ""}`;

function Devices({ session }: Pick<AccountProps, "session">) {
  const { error, busy, run } = useCall();
  const list = useCall(); // nobody waits for it to type
  const [secrets, setSecrets] = useState<readonly ApiDeviceSecret[]>();
  const [fresh, setFresh] = useState<ApiNewDeviceSecret>();
  const load = useRef(async () => setSecrets(await list.run(api.deviceSecrets)));
  useEffect(() => void load.current(), []);
  const add = async ({ label = "" }: Fields) => {
    const added = await run(() => api.addDeviceSecret(label));
    if (added === undefined) return;
    setFresh(added);
    await load.current();
  };
  const revoke = async (id: string) => {
    await run(() => api.revokeDeviceSecret(id));
    if (fresh?.id === id) setFresh(undefined);
    await load.current();
  };
  return (
    <section aria-labelledby="devices">
      <h3 id="devices">Devices</h3>
      <p className="quiet">A phone or broadcaster signs in with a secret of its own. You can take each back alone.</p>
      {fresh && <FreshSecret session={session} secret={fresh.secret} />}
      <ul className="rows">
        {secrets?.map(({ id, label, createdWallMs }) => (
          <li key={id} className="device">
            <span>
              <strong>{label}</strong> <span className="quiet">since {new Date(createdWallMs).toLocaleDateString()}</span>
            </span>
            <button type="button" disabled={busy} aria-label={`Revoke ${label}`} onClick={() => revoke(id)}>
              Revoke
            </button>
          </li>
        ))}
      </ul>
      <Form key={fresh?.id} onSubmit={add} testId="new-device-form">
        <Field
          name="label"
          label="New device"
          hint="For example: phone in the kitchen."
          required
          error={error}
          testId="device-label"
        />
        <Complaint error={error ?? list.error} />
        <button type="submit" disabled={busy} data-testid="add-device">
          Create a secret
        </button>
      </Form>
    </section>
  );
}

/** The secret, this once: to read, to copy, to scan. */
function FreshSecret({ session, secret }: { session: ApiSession; secret: string }) {
  const uri = `sip:${encodeURIComponent(session.user)}:${encodeURIComponent(secret)}@${session.domain}`; // RFC 3261 §19.1.1
  return (
    <div className="fresh" role="status" data-testid="fresh-secret">
      <QrCode text={uri} label="QR code with the device's SIP account" />
      <div>
        <p>
          <strong>Shown only now.</strong> Scan it with the device, or type:
        </p>
        <dl>
          <dt>User</dt>
          <dd>{session.user}</dd>
          <dt>Secret</dt>
          <dd>
            <Copyable text={secret} testId="secret" />
          </dd>
          <dt>Domain</dt>
          <dd>{session.domain}</dd>
          <dt>Proxy</dt>
          <dd>
            {session.home}.{session.domain}
          </dd>
        </dl>
      </div>
    </div>
  );
}

function Copyable({ text, testId }: { text: string; testId?: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <span className="copyable">
      <code data-testid={testId}>{text}</code>
      {navigator.clipboard !== undefined && ( // plain http has none
        <button type="button" onClick={copy} aria-live="polite">
          {isCopied ? "Copied" : "Copy"}
        </button>
      )}
    </span>
  );
}
