import Crypto
import Foundation

/// Entity values as a screen may show them: enough to tell two apart, not enough to know whose they are.
struct ValueMask: Sendable {
    /// Of this process alone, so that nobody can look a mask up in a table.
    private let key = SymmetricKey(size: .bits256)

    /// `u…7 (#3fa9)`; a value of up to six bytes, or of other than plain characters, shows none of them.
    func text(_ value: [UInt8]) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: value, using: key)
        let hash = code.prefix(2).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let isPlain = value.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        guard value.count > 6, isPlain else { return "••• (#\(hash))" }
        let first = String(decoding: value.prefix(1), as: UTF8.self)
        let last = String(decoding: value.suffix(1), as: UTF8.self)
        return "\(first)…\(last) (#\(hash))"
    }
}
