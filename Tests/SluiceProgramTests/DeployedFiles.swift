import Foundation
import Testing

/// The files of `deploy/` and `docs/`, as they lie in the checkout.
enum DeployedFiles {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func path(_ name: String) -> String { root.appendingPathComponent(name).path }

    static func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    /// The documents of YAML files, as JSON sees them.
    static func yaml(_ names: String...) throws -> [JSONValue] {
        let program =
            "import json, sys, yaml; print(json.dumps(sum(([*yaml.safe_load_all(open(f))] for f in sys.argv[1:]), [])))"
        // A path from the root stays one.
        let paths = names.map { URL(fileURLWithPath: $0, relativeTo: root).path }
        let outcome = try python(needing: "yaml").run(["-c", program] + paths)
        guard case .list(let documents) = try outcome.json() else { return [] }
        return documents
    }

    /// A program that `make deps` installs.
    static func required(_ name: String, package: String) throws -> Program {
        try #require(Program.onPath(name), "\(name) is missing: apt-get install \(package)")
    }

    /// The metrics of the service, as docs/metrics.md has them.
    static func metrics() throws -> Set<Substring> {
        let page = try? text("docs/metrics.md")
        return Set((page ?? contract).matches(of: /(?:sluice|process)_[a-z_]+/).map(\.output))
    }

    /// The metrics a checkout without that page has.
    private static let contract = """
        sluice_decisions_total sluice_rule_decisions_total sluice_trips_total sluice_shadow_trips_total
        sluice_requests_invalid_total sluice_requests_shed_total sluice_runs_total sluice_connections_accepted_total
        sluice_connections_refused_total sluice_received_bytes_total sluice_sent_bytes_total
        sluice_redis_received_bytes_total sluice_redis_sent_bytes_total sluice_protocol_errors_total
        sluice_redis_failures_total sluice_redis_connects_total sluice_redis_losses_total sluice_script_loads_total
        sluice_clock_steps_total sluice_unreadable_cells_total sluice_reloads_total
        sluice_request_duration_seconds sluice_queue_duration_seconds sluice_redis_duration_seconds sluice_batch_size
        sluice_in_flight_requests sluice_connections sluice_redis_connected sluice_generation sluice_rules
        sluice_rules_info sluice_rules_loaded_timestamp_seconds sluice_last_reload_ok
        sluice_last_reload_timestamp_seconds sluice_build_info process_cpu_seconds_total
        process_resident_memory_bytes process_virtual_memory_bytes process_open_fds process_max_fds
        process_start_time_seconds
        """
}
