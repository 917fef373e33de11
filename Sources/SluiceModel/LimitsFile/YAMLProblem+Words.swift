internal import CYaml

extension YAMLProblem {
    /// What made libyaml stop, told to somebody who knows YAML by its looks.
    init(parser: yaml_parser_t, bytes: UnsafeBufferPointer<UInt8>, file: Int) {
        func position(_ mark: yaml_mark_t) -> SourcePosition {
            SourcePosition(file: file, line: mark.line + 1, column: mark.column + 1)
        }
        let problem = parser.problem.map { String(cString: $0) } ?? ""
        let context = parser.context.map { String(cString: $0) } ?? ""
        if parser.error == YAML_READER_ERROR {
            self.init(
                position: SourcePosition(offset: parser.problem_offset, bytes: bytes, file: file),
                message: "not valid YAML: \(problem)")
            return
        }
        let next = parser.problem_mark.index < bytes.count ? bytes[parser.problem_mark.index] : nil
        var place = position(parser.problem_mark)
        let words: String
        switch problem {
        case _ where problem.hasPrefix("Maximum nesting level"):
            self.init(position: place, message: "nested more than \(YAMLComposer.deepestLevel) levels deep")
            return
        case "found character that cannot start any token" where next == UInt8(ascii: "\t"),
            "found a tab character that violates indentation",
            "found a tab character where an indentation space is expected":
            words = "a tab cannot indent; use spaces"
        case "found character that cannot start any token":
            words = "a value cannot begin with this character; put it in quotes"
        case "could not find expected ':'":
            place = position(parser.context_mark)
            words = "expected \"key: value\" here"
        case "mapping values are not allowed in this context":
            words = "a \":\" cannot stand here; check the indentation, or put a value that contains \": \" in quotes"
        case "block sequence entries are not allowed in this context":
            words = "a \"-\" cannot stand here; begin the list on a line of its own below its key"
        case "did not find expected key", "did not find expected '-' indicator":
            words = "this line fits nothing above it; check its indentation"
        case "did not find expected ',' or ']'", "did not find expected ',' or '}'":
            let opened = parser.context_mark.line + 1
            let bracket = problem.hasSuffix("']'") ? "]" : "}"
            words = "expected \",\" or \"\(bracket)\" to go on or close what was opened in line \(opened)"
        case "found unexpected end of stream" where context.hasSuffix("quoted scalar"),
            "found unexpected document indicator" where context.hasSuffix("quoted scalar"):
            place = position(parser.context_mark)
            words = "the quote opened here is never closed"
        case "found unknown escape character":
            words = "unknown escape; write \"\\\\\" for a backslash, or use single quotes"
        case "did not find expected alphabetic or numeric character":
            place = position(parser.context_mark)
            words = "put a value that begins with \"*\" or \"&\" in quotes"
        case "did not find expected node content":
            words = "a value is missing here"
        case "did not find expected <document start>":
            words = "the document has ended above this line; check its indentation and brackets"
        default:
            words = problem.isEmpty ? "it cannot be read" : problem
        }
        self.init(position: place, message: "not valid YAML: \(words)")
    }
}

extension SourcePosition {
    /// The place of a byte, where a line ends at a line feed.
    init(offset: Int, bytes: some Sequence<UInt8>, file: Int) {
        self.init(file: file, line: 1, column: 1)
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                // Every byte but a continuation byte of UTF-8 begins a scalar.
                column += 1
            }
        }
    }
}
