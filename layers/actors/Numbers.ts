/**
 * What is counted of actors and supervised processes.
 *
 * Gauges are read where they stand whenever somebody looks; nothing is pushed on the way of a command.
 */
import * as Metric from "effect/Metric"

export const errors = Metric.counter("actor_errors_total", {
  description: "Commands that got no answer of a rule, by reason.",
  incremental: true
})
export const mailboxDepth = Metric.gauge("actor_mailbox_depth", {
  description: "Commands accepted and not yet answered, over all actors."
})
export const mailboxDepthMax = Metric.gauge("actor_mailbox_depth_max", {
  description: "The same for the one actor that has most of them."
})
export const resident = Metric.gauge("actors_resident", { description: "Actors in memory." })
export const isolated = Metric.gauge("streams_isolated", {
  description: "Poisoned streams: they answer nothing until a person looks."
})
export const restarts = Metric.counter("restarts_total", {
  description: "Failures counted against a restart budget, of supervised processes and of streams.",
  incremental: true
})
export const budgetUsed = Metric.gauge("restart_budget_used", {
  description: "Restarts of a process within the window; at the budget it stays down."
})
export const budget = Metric.gauge("restart_budget", { description: "Restarts a process has within the window." })
export const down = Metric.gauge("process_down", { description: "1 where a supervised process stays down." })
