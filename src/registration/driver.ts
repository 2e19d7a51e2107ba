import type { Logger } from "#base/log.ts";
import type { Json, Overlay } from "#overlay/types.ts";
import type { Asked, Registration, RegistrationPorts } from "./engine/registration.ts";
import type { RegistrationPushes, RegistrationTopics } from "./types.ts";

/** How registration reaches the other servers. */
export function registrationPorts(overlay: Overlay, log: Logger): RegistrationPorts {
  const push = <T extends keyof RegistrationPushes>(to: "ds" | "web", topic: T, body: RegistrationPushes[T]): void =>
    overlay.cast(to, topic, body);
  return {
    servingDs: () => overlay.members("ds").flatMap(({ id, phase }) => (phase === "serving" ? [id] : [])),
    pushSubscriber: (subscriber) => push("ds", "push.subscriber", subscriber),
    pushChannel: (channel) => {
      push("ds", "push.channel", channel);
      push("web", "push.channel", channel);
    },
    storeFailed: (cause) => log.error("database cannot be used", { cause }),
    storeMended: () => log.info("database can be used again"),
  };
}

/** Answers the topics of `RegistrationTopics`. */
export function serveRegistration(overlay: Overlay, registration: Registration): void {
  const answer = <T extends keyof RegistrationTopics>(
    topic: T,
    serve: (asked: Asked, reply: (answer: RegistrationTopics[T]["reply"]) => void) => void,
  ): void =>
    overlay.handle(topic, (body, _from, reply) => {
      const failure = registration.attempt(() => serve(fieldsOf(body), reply));
      if (failure) reply(failure);
    });
  answer("registration.sign-up", (asked, reply) => registration.signUp(asked, reply));
  answer("registration.sign-in", (asked, reply) => registration.signIn(asked, reply));
  answer("registration.sign-out", (asked, reply) => reply(registration.signOut(asked)));
  answer("registration.session", (asked, reply) => reply(registration.session(asked)));
  answer("registration.device-secrets", (asked, reply) => reply(registration.deviceSecrets(asked)));
  answer("registration.add-device-secret", (asked, reply) => reply(registration.addDeviceSecret(asked)));
  answer("registration.revoke-device-secret", (asked, reply) => reply(registration.revokeDeviceSecret(asked)));
  answer("registration.add-channel", (asked, reply) => reply(registration.addChannel(asked)));
  answer("registration.channels", (_asked, reply) => reply(registration.channels()));
  answer("registration.catch-up", (asked, reply) => reply(registration.catchUp(asked)));
}

/** A body that is no object has no fields: the service says what is missing. */
function fieldsOf(body: Json): Asked {
  return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Asked) : {};
}
