import ArgumentParser
import SluiceEngine
import SluiceWire

/// Where decisions are asked for.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the service takes requests (SLUICE_SERVER, else 127.0.0.1:7400).",
            valueName: "HOST:PORT|unix:PATH"
        )
    )
    var server: String?

    func endpoint(environment: Environment) throws(Failure) -> Endpoint {
        try Endpoint(
            option: ("--server", server),
            variable: ("SLUICE_SERVER", environment["SLUICE_SERVER"]),
            standard: "127.0.0.1:7400"
        )
    }
}

/// Where the service listens for its operators.
struct AdminOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the service takes its operators' requests (SLUICE_ADMIN, else the socket in its state directory).",
            valueName: "unix:PATH|HOST:PORT"
        )
    )
    var admin: String?

    func endpoint(environment: Environment) throws(Failure) -> Endpoint {
        try Endpoint(
            option: ("--admin", admin),
            variable: ("SLUICE_ADMIN", environment["SLUICE_ADMIN"]),
            standard: "unix:\(ServiceSettings.defaultStateDirectory)/admin.sock"
        )
    }
}

struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON, with the keys that docs/cli.md lists.")
    var json = false
}

extension Endpoint {
    fileprivate init(
        option: (name: String, text: String?),
        variable: (name: String, text: String?),
        standard: String
    ) throws(Failure) {
        let (name, text) =
            if let text = option.text {
                (option.name, text)
            } else if let text = variable.text {
                (variable.name, text)
            } else {
                ("the standard endpoint", standard)
            }
        do {
            try self.init(text)
        } catch {
            throw Failure(.usage, "\(name): \(error)")
        }
    }
}
