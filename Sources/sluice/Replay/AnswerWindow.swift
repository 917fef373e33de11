import Glibc
import SluiceClient
import SluiceWire

/// Answers on their way back to the one thread that asked, which takes them in the order of its questions.
///
/// Built on a POSIX mutex and condition: the thread really waits, which a task must not do.
final class AnswerWindow: @unchecked Sendable {
    typealias Answer = Result<WireCheckResponse, SluiceClientError>

    private let size: Int
    // Everything below belongs to whoever holds the mutex.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var answers: [Answer?]

    /// - Parameter size: how many answers may be outstanding at once.
    init(size: Int) {
        self.size = size
        answers = Array(repeating: nil, count: size)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(arrived, nil)
    }

    deinit {
        pthread_cond_destroy(arrived)
        pthread_mutex_destroy(mutex)
        arrived.deallocate()
        mutex.deallocate()
    }

    /// Delivers the answer to question `number`. Called from any thread.
    func put(_ answer: Answer, number: UInt64) {
        pthread_mutex_lock(mutex)
        answers[Int(number % UInt64(size))] = answer
        pthread_cond_signal(arrived)
        pthread_mutex_unlock(mutex)
    }

    /// Waits for the answer to question `number`, and takes it.
    func take(number: UInt64) -> Answer {
        let index = Int(number % UInt64(size))
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let answer = answers[index].take() { return answer }
            pthread_cond_wait(arrived, mutex)
        }
    }
}
