import Foundation

/// A real, headless Chromium with one page, driven through `Fixtures/browser.py`. Ends by itself after a minute.
final class Browser {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// What a page did since it was opened.
    struct Seen: Decodable {
        /// What it told the console: warnings, errors, exceptions nobody caught.
        var errors: [String]
        /// Every address it asked for.
        var requests: [String]
    }

    private struct Answer<Value: Decodable>: Decodable {
        var value: Value?
        var error: String?
    }

    private let process: Process
    private let requests = Pipe()
    private let answers = Pipe()
    private var unread = Data()

    init() throws {
        let script = Program.fixtures.appendingPathComponent("browser.py").path
        process = try python().process([script, "--seconds", "60"], environment: [:])
        process.standardInput = requests
        process.standardOutput = answers
        try process.run()
    }

    deinit {
        // The end of its input is the end of it, and of its Chromium.
        try? requests.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// Loads a page and waits until it is loaded.
    func open(_ url: String, width: Int = 1280, height: Int = 800) throws {
        try perform(["open": url, "width": width, "height": height])
    }

    /// What the page is told that the system prefers: `light` or `dark`.
    func prefer(scheme: String) throws {
        try perform(["scheme": scheme])
    }

    /// The value of a JavaScript expression, as text.
    func text(_ expression: String) throws -> String {
        try ask(["evaluate": "String(\(expression))"])
    }

    /// Waits for a JavaScript expression to be true.
    func wait(_ expression: String, seconds: Int = 10) throws {
        try perform(["wait": expression, "seconds": seconds])
    }

    /// Presses a key, on what has the focus.
    func press(_ key: String) throws {
        try perform(["press": key])
    }

    /// Moves the pointer to a place of the page.
    func move(x: Int, y: Int) throws {
        try perform(["move": [x, y]])
    }

    /// Writes a PNG of what is visible.
    func screenshot(_ path: String) throws {
        try perform(["screenshot": path])
    }

    func seen() throws -> Seen {
        try ask(["seen": true])
    }

    private func perform(_ request: [String: Any]) throws {
        let _: JSONValue? = try answer(to: request)
    }

    private func ask<Value: Decodable>(_ request: [String: Any]) throws -> Value {
        guard let value: Value = try answer(to: request) else {
            throw Failure(description: "\(request): no value")
        }
        return value
    }

    private func answer<Value: Decodable>(to request: [String: Any]) throws -> Value? {
        let line = try JSONSerialization.data(withJSONObject: request) + [UInt8(ascii: "\n")]
        try requests.fileHandleForWriting.write(contentsOf: line)
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let answer = try JSONDecoder().decode(Answer<Value>.self, from: unread[..<end])
                unread = Data(unread[unread.index(after: end)...])
                if let error = answer.error { throw Failure(description: error) }
                return answer.value
            }
            let more = answers.fileHandleForReading.availableData
            guard !more.isEmpty else { throw Failure(description: "browser.py ended") }
            unread += more
        }
    }
}
