import Crypto

extension LimitsFile {
    /// The text of one file of a set.
    public struct Source: Sendable {
        /// What messages call the file.
        public var name: String
        public var text: String

        public init(name: String, text: String) {
            self.name = name
            self.text = text
        }

        /// - Throws: the place of the first byte that is not UTF-8.
        public init(name: String, bytes: [UInt8]) throws(LimitsFileError) {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                let place = SourcePosition(offset: bytes.validUTF8Prefix, bytes: bytes, file: 0)
                throw LimitsFileError(diagnostics: [
                    LimitsDiagnostic(
                        file: name, line: place.line, column: place.column,
                        message: "this byte is not UTF-8; save the file as UTF-8")
                ])
            }
            self.init(name: name, text: text)
        }
    }

    /// Reads and checks a set of files as one rule set, its rules in the order of the sources.
    ///
    /// `defaults` hold for the whole set, whichever file gives them. The warnings name what is allowed and looks like
    /// a mistake.
    ///
    /// - Throws: everything that is wrong, in the order of the files; of more than 200 errors the number.
    public static func parse(
        _ sources: [Source]
    ) throws(LimitsFileError) -> (file: LimitsFile, warnings: [LimitsDiagnostic]) {
        let bytes = sources.reduce(0) { $0 + $1.text.utf8.count }
        guard bytes <= Caps.limitsFileBytes, !sources.isEmpty else {
            let message = sources.isEmpty ? "there is no limits file to read" : tooLarge
            throw LimitsFileError(diagnostics: [
                LimitsDiagnostic(file: sources.first?.name ?? "-", line: 1, column: 1, message: message)
            ])
        }
        let reader = LimitsReader(files: sources.map(\.name))
        for (index, source) in sources.enumerated() {
            reader.readFile(source.text, index: index)
        }
        let rules = reader.finish()
        guard !reader.report.hasErrors else {
            throw LimitsFileError(diagnostics: reader.report.diagnostics(.error))
        }
        let file = LimitsFile(
            rules: rules, guardrails: reader.guardrails, normalizers: reader.declarations.normalizers,
            lists: reader.lists.listings, eventMemoryMs: reader.defaults.eventMemoryMs)
        return (file, reader.report.diagnostics(.warning))
    }

    /// What is said of files that are together larger than `Caps.limitsFileBytes`.
    public static let tooLarge = "the limits are larger than 1 MiB, which is the most a rule set may have"

    /// SHA-256 of `text`, in hexadecimal digits.
    public static func sha256(of text: String) -> String {
        SHA256.hash(data: Array(text.utf8)).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 0xF, radix: 16)
        }.joined()
    }
}

extension [UInt8] {
    /// How many bytes stand before the first that is not UTF-8.
    fileprivate var validUTF8Prefix: Int {
        var parser = Unicode.UTF8.ForwardParser()
        var bytes = makeIterator()
        var offset = 0
        while case .valid(let scalar) = parser.parseScalar(from: &bytes) { offset += scalar.count }
        return offset
    }
}
