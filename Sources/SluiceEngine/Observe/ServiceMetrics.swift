import SluiceModel

/// Every metric of a service, put together from its loops' readings. Labels come from the limits file and from fixed
/// lists, never from a request. docs/metrics.md explains each.
struct ServiceMetrics {
    private(set) var families: [MetricFamily] = []
    private let readings: [LoopReading]

    /// What is counted for the service as a whole, not by its loops.
    struct Shared {
        var embeddedRestarts: UInt64 = 0
        var acceptPauses: UInt64 = 0
    }

    init(
        _ readings: [LoopReading], shared: Shared, reloads: ReloadStatus, lists: ListStatus, process: ProcessUsage?
    ) {
        self.readings = readings
        addDecisions()
        addTimes()
        addTraffic(shared)
        addDenyCache()
        addRedis(shared)
        addRules(reloads)
        addLists(lists)
        if let process { addProcess(process) }
    }

    var text: String {
        var text = ""
        text.reserveCapacity(32 * 1024)
        for family in families { family.write(to: &text) }
        return text
    }

    /// Names with labels, and values.
    var flat: [(name: String, value: Double)] {
        families.flatMap { family in family.samples.map { (family.series(of: $0), $0.value) } }
    }

    private func sum(_ value: (LoopReading) -> UInt64) -> Double {
        Double(readings.reduce(0) { $0 &+ value($1) })
    }

    private mutating func add(
        _ kind: MetricFamily.Kind, _ name: String, _ help: String, _ value: (LoopReading) -> UInt64
    ) {
        families.append(MetricFamily(kind, name, help, sum(value)))
    }

    // MARK: - Decisions

    private mutating func addDecisions() {
        var decisions = MetricFamily(
            .counter, "sluice_decisions_total", "Decisions by who decided and the verdict given.")
        for basis in Basis.allCases {
            for verdict in Verdict.allCases {
                let place = Int(basis.rawValue) * LoopMetrics.verdicts + Int(verdict.rawValue)
                decisions.add(
                    sum { $0.metrics.decisions[place] }, ("basis", basis.name), ("verdict", verdict.name))
            }
        }
        let series = readings.series
        var byRule = MetricFamily(
            .counter, "sluice_rule_decisions_total",
            "Decisions that a rule judged, by the verdict that the rule alone gives; shadow rules too.")
        let judged = series.decisions.sorted {
            ($0.key.rule, $0.key.verdict.rawValue, $0.key.basis.rawValue)
                < ($1.key.rule, $1.key.verdict.rawValue, $1.key.basis.rawValue)
        }
        for (key, count) in judged {
            byRule.add(
                Double(count), ("rule", key.rule), ("verdict", key.verdict.name), ("basis", key.basis.name))
        }
        var trips = MetricFamily(.counter, "sluice_trips_total", "Requests that would exceed a limit, by limit.")
        var shadow = MetricFamily(
            .counter, "sluice_shadow_trips_total", "Requests that would exceed a limit of a shadow rule, by limit.")
        for (key, count) in series.trips.sorted(by: { ($0.key.rule, $0.key.limit) < ($1.key.rule, $1.key.limit) }) {
            if key.shadow {
                shadow.add(Double(count), ("rule", key.rule), ("limit", key.limit))
            } else {
                trips.add(Double(count), ("rule", key.rule), ("limit", key.limit))
            }
        }
        families += [decisions, byRule, trips, shadow]
        add(.counter, "sluice_repeated_events_total", "Requests whose event_id was decided before; they count nothing.")
        {
            $0.metrics.duplicates
        }
        var undos = MetricFamily(
            .counter, "sluice_undos_total", "Undos answered, by whether there was something to take back.")
        undos.add(sum { $0.metrics.undos }, ("undone", "true"))
        undos.add(sum { $0.metrics.undosInVain }, ("undone", "false"))
        families.append(undos)
        add(.counter, "sluice_requests_invalid_total", "Requests refused because they say what cannot be.") {
            $0.metrics.invalidRequests
        }
        add(.counter, "sluice_requests_shed_total", "Requests refused because too many were waiting.") {
            $0.metrics.shed
        }
    }

    // MARK: - Times

    private mutating func addTimes() {
        func family(_ name: String, _ help: String, scale: Double, _ of: (LoopMetrics) -> FixedHistogram)
            -> MetricFamily
        {
            var family = MetricFamily(.histogram, name, help)
            if var all = readings.first.map({ of($0.metrics) }) {
                for reading in readings.dropFirst() { all.add(of(reading.metrics)) }
                family.add(all, scale: scale)
            }
            return family
        }
        families += [
            family(
                "sluice_request_duration_seconds", "From a check's arrival to its answer.", scale: 1e-6, \.requestMicros
            ),
            family(
                "sluice_queue_duration_seconds", "From a check's arrival to its script run being sent to Redis.",
                scale: 1e-6, \.queueMicros),
            family(
                "sluice_redis_duration_seconds", "From a script run being sent to Redis to its reply.", scale: 1e-6,
                \.redisMicros),
            family("sluice_batch_size", "Requests that one script run decides.", scale: 1, \.batchSizes),
        ]
        add(.counter, "sluice_runs_total", "Script runs sent to Redis.") { $0.metrics.runs }
    }

    // MARK: - Traffic

    private mutating func addTraffic(_ shared: Shared) {
        add(.gauge, "sluice_in_flight_requests", "Checks that wait for Redis.") { UInt64($0.waiting) }
        var connections = MetricFamily(.gauge, "sluice_connections", "Open connections of clients, by listener.")
        connections.add(sum { UInt64($0.dataConnections) }, ("listener", "data"))
        connections.add(sum { UInt64($0.adminConnections) }, ("listener", "admin"))
        families.append(connections)
        add(.counter, "sluice_connections_accepted_total", "Connections of clients accepted.") {
            $0.metrics.connectionsAccepted
        }
        var refused = MetricFamily(
            .counter, "sluice_connections_refused_total", "Connections closed at once, by why.")
        for refusal in ConnectionRefusal.allCases {
            refused.add(sum { $0.metrics.connectionsRefused[refusal] ?? 0 }, ("reason", refusal.rawValue))
        }
        var cut = MetricFamily(
            .counter, "sluice_connections_cut_total",
            "Connections ended, or told to go, for what had not happened on them in time, by what.")
        for lapse in ConnectionWatch.Lapse.allCases {
            cut.add(sum { $0.metrics.connectionsCut[lapse] ?? 0 }, ("reason", lapse.rawValue))
        }
        families += [
            refused, cut,
            MetricFamily(
                .counter, "sluice_accept_pauses_total",
                "Pauses in accepting connections for want of descriptors or memory.", Double(shared.acceptPauses)),
        ]
        add(.counter, "sluice_received_bytes_total", "Bytes read from clients.") { $0.metrics.receivedBytes }
        add(.counter, "sluice_sent_bytes_total", "Bytes written to clients.") { $0.metrics.sentBytes }
        var errors = MetricFamily(
            .counter, "sluice_protocol_errors_total", "Connections ended for a malformed frame, by what was wrong.")
        for kind in Set(readings.flatMap(\.metrics.protocolErrors.keys)).sorted() {
            errors.add(sum { $0.metrics.protocolErrors[kind] ?? 0 }, ("kind", kind))
        }
        families.append(errors)
    }

    // MARK: - Deny cache

    private mutating func addDenyCache() {
        add(.gauge, "sluice_deny_cache_entries", "Refusals that hold and are given without Redis.") {
            UInt64($0.refusals)
        }
        add(.counter, "sluice_deny_cache_evictions_total", "Refusals forgotten before their time for want of room.") {
            $0.refusalEvictions
        }
        add(
            .counter, "sluice_deny_cache_attempts_total",
            "Attempts refused without Redis and counted there a moment later, once for each rule."
        ) {
            $0.metrics.attemptsCoalesced
        }
        add(
            .counter, "sluice_deny_cache_attempts_lost_total",
            "Of those, attempts that were not counted, or may not have been, because Redis was lost."
        ) {
            $0.metrics.attemptsLost
        }
    }

    // MARK: - Redis

    private mutating func addRedis(_ shared: Shared) {
        let isConnected = !readings.isEmpty && readings.allSatisfy(\.isConnected)
        families.append(
            MetricFamily(
                .gauge, "sluice_redis_connected", "1 while the connection of every event loop is ready, else 0.",
                isConnected ? 1 : 0))
        add(.counter, "sluice_redis_connects_total", "Connections to Redis that became ready.") { $0.links.connects }
        add(.counter, "sluice_redis_losses_total", "Ready connections to Redis that were lost.") { $0.links.losses }
        add(.counter, "sluice_redis_stalls_total", "Connections to Redis given up because it hung.") { $0.links.stalls }
        add(.counter, "sluice_redis_broken_replies_total", "Connections to Redis given up for bytes that are no reply.")
        {
            $0.links.brokenReplies
        }
        // Each loop sees for itself that Redis came back without its counters: that is one loss, not several.
        families += [
            MetricFamily(
                .counter, "sluice_counters_lost_total", "Times a Redis came back without the counters it had.",
                Double(readings.map(\.links.countersLost).max() ?? 0)),
            MetricFamily(
                .gauge, "sluice_redis_evicted_keys", "Keys that Redis has thrown away for want of memory.",
                Double(readings.map(\.links.evictedKeys).max() ?? 0)),
            MetricFamily(
                .gauge, "sluice_redis_evicting_policy",
                "1 if Redis throws counters away when its memory is full, by its maxmemory-policy, else 0.",
                readings.contains(where: \.links.isEvicting) ? 1 : 0),
        ]
        add(.counter, "sluice_redis_received_bytes_total", "Bytes read from Redis.") { $0.links.receivedBytes }
        add(.counter, "sluice_redis_sent_bytes_total", "Bytes written to Redis.") { $0.links.sentBytes }
        var failures = MetricFamily(
            .counter, "sluice_redis_failures_total", "Checks that Redis did not decide, by the class of the failure.")
        for failure in RedisFailure.allCases {
            failures.add(sum { $0.metrics.failures[failure] ?? 0 }, ("class", failure.rawValue))
        }
        families.append(failures)
        add(.gauge, "sluice_redis_breakers_open", "Nodes of Redis that are given a rest, added up over event loops.") {
            UInt64($0.openBreakers)
        }
        add(
            .counter, "sluice_redis_breaker_openings_total",
            "Times a node of Redis began to be given a rest, for it was late or refused."
        ) { $0.metrics.breakerOpenings }
        add(
            .counter, "sluice_cluster_releases_total",
            "Entities that took back what a request had reserved there and was refused for elsewhere in the cluster."
        ) { $0.metrics.releases }
        add(
            .counter, "sluice_cluster_releases_lost_total",
            "Of which that is not known: their counters may be too high until it has left the window."
        ) { $0.metrics.releasesLost }
        add(.counter, "sluice_script_loads_total", "Times a Redis had forgotten the script and was given it again.") {
            $0.links.scriptLoads
        }
        add(.counter, "sluice_clock_steps_total", "Counters found ahead of the clock of Redis and put right.") {
            $0.metrics.clockSteps
        }
        add(.counter, "sluice_unreadable_cells_total", "Checks that met a counter written by another version.") {
            $0.metrics.unreadableCells
        }
        families.append(
            MetricFamily(
                .counter, "sluice_embedded_redis_restarts_total",
                "Times the embedded Redis died and was started again.",
                Double(shared.embeddedRestarts)))
    }

    // MARK: - Rules

    private mutating func addRules(_ reloads: ReloadStatus) {
        if let rules = readings.first?.rules {
            families += [
                MetricFamily(
                    .gauge, "sluice_generation", "Number of the rule set in force.", Double(rules.set.generation)),
                MetricFamily(.gauge, "sluice_rules", "Rules in force.", Double(rules.set.rules.count)),
                MetricFamily(
                    .gauge, "sluice_rules_loaded_timestamp_seconds", "When the rules in force were read, Unix time.",
                    Double(rules.source.loadedAtMs) / 1_000),
            ]
            var info = MetricFamily(.gauge, "sluice_rules_info", "1, labelled with the SHA-256 of the limits in force.")
            info.add(1, ("sha256", rules.source.sha256))
            families.append(info)
        }
        var total = MetricFamily(.counter, "sluice_reloads_total", "Reloads of the limits, by their outcome.")
        for outcome in [ReloadStatus.Outcome.ok, .badFile, .refused] {
            total.add(Double(reloads.counts[outcome] ?? 0), ("outcome", outcome.rawValue))
        }
        families += [
            total,
            MetricFamily(
                .gauge, "sluice_last_reload_ok", "0 while the last reload failed and older rules are in force, else 1.",
                reloads.errors.isEmpty ? 1 : 0),
            MetricFamily(
                .gauge, "sluice_last_reload_timestamp_seconds",
                "When the last reload was tried, Unix time; 0 if never.",
                Double(reloads.atMs) / 1_000),
        ]
        var build = MetricFamily(.gauge, "sluice_build_info", "1, labelled with the version of the service.")
        build.add(1, ("version", ServiceVersion.text))
        families.append(build)
    }

    // MARK: - Lists

    private mutating func addLists(_ lists: ListStatus) {
        var entries = MetricFamily(
            .gauge, "sluice_listings", "Values and networks on a list, by its kind and who keeps it.")
        var decisions = MetricFamily(
            .counter, "sluice_listed_decisions_total", "Decisions that a list made, by its kind.")
        let file = readings.first?.rules.file.lists ?? []
        for kind in ListKind.allCases {
            let inFile = file.lazy.filter { $0.kind == kind }.reduce(0) { $0 + $1.patterns.count }
            entries.add(Double(lists.counts[kind] ?? 0), ("kind", kind.name), ("source", "operators"))
            entries.add(Double(inFile), ("kind", kind.name), ("source", "file"))
            decisions.add(sum { $0.metrics.listed[Int(kind.rawValue) - 1] }, ("kind", kind.name))
        }
        families += [entries, decisions]
        if let age = lists.ageSeconds {
            families.append(
                MetricFamily(
                    .gauge, "sluice_listings_age_seconds", "Time since the lists that operators keep were last read.",
                    age))
        }
    }

    // MARK: - Process

    private mutating func addProcess(_ process: ProcessUsage) {
        families += [
            MetricFamily(
                .counter, "process_cpu_seconds_total", "User and system CPU time of the service.", process.cpuSeconds),
            MetricFamily(
                .gauge, "process_resident_memory_bytes", "Resident memory of the service.", process.residentBytes),
            MetricFamily(
                .gauge, "process_virtual_memory_bytes", "Virtual memory of the service.", process.virtualBytes),
            MetricFamily(.gauge, "process_open_fds", "Open file descriptors of the service.", process.openDescriptors),
            MetricFamily(.gauge, "process_max_fds", "File descriptors the service may open.", process.maxDescriptors),
            MetricFamily(
                .gauge, "process_start_time_seconds", "When the service started, Unix time.", process.startedAtSeconds),
        ]
    }
}
