extension StringProtocol {
    /// The text with every character escaped that could move a terminal's cursor, colour it, or reorder the line.
    /// What others chose, values above all, is printed through this.
    var printable: String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default:
                if scalar == "\\" { text += "\\\\" } else { text.unicodeScalars.append(scalar) }
            }
        }
        return text
    }
}
