import Glibc

/// The process's environment. A variable that is empty counts as unset.
struct Environment {
    subscript(name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
