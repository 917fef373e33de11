/// A script that also keeps a log of its runs, in the same atomic step: a list of what each was given and answered, in
/// the order in which Redis executed them. What survives a crash of Redis is in both or in neither.
enum LoggedScript {
    static let key = "sluice-test:log"

    /// - Parameters:
    ///   - source: with a `#!lua` line.
    ///   - more: done after each run, before it is logged.
    static func logging(_ source: [UInt8], and more: String = "") -> [UInt8] {
        guard let lineEnd = source.firstIndex(of: 10) else { return source }
        let head = source[...lineEnd] + Array("local function run_(...)\n".utf8)
        let tail = """

            end
            local reply_ = run_()
            \(more)
            redis.call('RPUSH', '\(key)', cmsgpack.pack({KEYS, ARGV, reply_}))
            return reply_

            """
        return Array(head) + source[(lineEnd + 1)...] + Array(tail.utf8)
    }
}
