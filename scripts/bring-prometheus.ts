// Before `npm test`: Prometheus for the tests of rules and dashboards. Never fails: without it they are skipped and say so.
import { bringPrometheus } from '../test/support/install-prometheus.ts'

bringPrometheus(line => console.log(`holdfast: ${line}`))
