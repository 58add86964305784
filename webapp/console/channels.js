// Channels: what each can do, and what people call it.

import { all } from "./api.js";
import { known, t } from "./i18n.js";

let channels = null;

// By name, what each can do and tell; asked for once.
export function rules() {
  channels ??= all("/v1/channels", "channels").then((found) => new Map(found.map((each) => [each.channel, each])), (problem) => {
    channels = null;
    throw problem;
  });
  return channels;
}

export const called = (channel) => (known(`channel.${channel}`) ? t(`channel.${channel}`) : channel);
