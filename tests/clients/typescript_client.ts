// Uses the generated types. Only the compiler reads this file.
import type { components, paths } from "./api";

type Decision = components["schemas"]["DecisionAnswer"];
type Consumed = paths["/v1/consume"]["post"]["responses"]["200"]["content"]["application/json"];
type Refused = components["responses"]["Invalid"]["content"]["application/problem+json"];
type Received = components["schemas"]["UsageThresholdCrossedEvent"];

export const asked: components["schemas"]["Ask"] = { customer: "acme", feature: "ai-tokens", amount: 1000 };

export function left(decision: Consumed): number {
  const remaining: Decision["remaining"] = decision.remaining;
  if (remaining === null) return Infinity;
  return typeof remaining === "number" ? remaining : Number.parseFloat(remaining);
}

export function problem(refused: Refused): string {
  return `${refused.code}: ${refused.errors.map((error) => error.pointer).join(", ")}`;
}

export function crossed(event: Received): string {
  const type: "usage.threshold_crossed" = event.type;
  return `${type} ${event.data.customer} ${event.data.level}`;
}

// @ts-expect-error: an unknown reason is no reason
export const wrong: Decision["reason"] = "because";
