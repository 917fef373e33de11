/// Why a request is an INVALID_ARGUMENT: words for the caller, without any of its values.
struct InvalidRequest: Error, Equatable {
    var message: String

    init(_ message: String) {
        self.message = message
    }

    static let malformed = InvalidRequest("the payload is not a message of this method")
}
