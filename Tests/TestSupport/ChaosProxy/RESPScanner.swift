/// Cuts a stream of RESP into its top-level values, whatever the pieces it comes in. Requests are such values too.
struct RESPScanner {
    struct Message: Equatable {
        var bytes: [UInt8]
        /// Of a request, its first word in capitals; of anything else, empty.
        var command: String
    }

    private var bytes: [UInt8] = []
    private var scanned = 0
    /// Values still to come until the one at the top level is whole.
    private var missing = 1
    private var command: String?
    /// Something that is no RESP came, such as TLS: everything is passed on as it comes.
    private(set) var isOpaque = false

    /// Takes bytes and gives back the messages that they complete.
    mutating func take(_ more: [UInt8]) -> [Message] {
        if isOpaque { return [Message(bytes: more, command: "")] }
        bytes += more
        var messages: [Message] = []
        while let end = valueEnd() {
            scanned = end
            missing -= 1
            guard missing == 0 else { continue }
            messages.append(Message(bytes: Array(bytes[..<end]), command: command ?? ""))
            bytes.removeFirst(end)
            scanned = 0
            missing = 1
            command = nil
        }
        if isOpaque {
            messages.append(Message(bytes: bytes, command: ""))
            bytes = []
        }
        return messages
    }

    /// Where the value at `scanned` ends, with `missing` raised by the elements of an array; nil: not all there.
    private mutating func valueEnd() -> Int? {
        guard scanned < bytes.count else { return nil }
        guard let lineEnd = bytes[scanned...].firstIndex(of: 10).map({ $0 + 1 }) else {
            if bytes.count - scanned > 65_536 { isOpaque = true }
            return nil
        }
        let kind = bytes[scanned]
        let number = Int(String(decoding: bytes[(scanned + 1)..<max(scanned + 1, lineEnd - 2)], as: UTF8.self))
        switch kind {
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"):
            missing += max(0, number ?? 0)
            return lineEnd
        case UInt8(ascii: "%"):
            missing += 2 * max(0, number ?? 0)
            return lineEnd
        case UInt8(ascii: "$"), UInt8(ascii: "="):
            guard let number, number >= 0 else { return lineEnd }
            guard bytes.count >= lineEnd + number + 2 else { return nil }
            if command == nil {
                command = String(decoding: bytes[lineEnd..<(lineEnd + number)], as: UTF8.self).uppercased()
            }
            return lineEnd + number + 2
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "#"),
            UInt8(ascii: ","), UInt8(ascii: "("):
            return lineEnd
        default:
            isOpaque = true
            return nil
        }
    }

    /// Of a request of three words whose second is `word`: what stands before the third, and the third.
    static func lastWord(of request: [UInt8], behind word: String) -> (head: [UInt8], last: [UInt8])? {
        var next = request.firstIndex(of: 10).map { $0 + 1 } ?? 0
        var (words, starts): ([ArraySlice<UInt8>], [Int]) = ([], [])
        while next < request.count, let lineEnd = request[next...].firstIndex(of: 10) {
            let digits = request[(next + 1)..<max(next + 1, lineEnd - 1)]
            guard let count = Int(String(decoding: digits, as: UTF8.self)), lineEnd + count < request.count else {
                return nil
            }
            starts.append(next)
            words.append(request[(lineEnd + 1)..<(lineEnd + 1 + count)])
            next = lineEnd + 1 + count + 2
        }
        guard words.count == 3, String(decoding: words[1], as: UTF8.self).uppercased() == word else { return nil }
        return (Array(request[..<starts[2]]), Array(words[2]))
    }
}
