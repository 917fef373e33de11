#!/usr/bin/env python3
"""Drives a headless Chromium over its debugging pipe, with nothing but Python's standard library.

usage: browser.py [--seconds 60]

Reads one JSON request a line from stdin and answers each with one JSON line on stdout, {"value": ...} or {"error": TEXT}:

  {"open": URL, "width": 1280, "height": 800}    a page of this size; answers when it has loaded
  {"scheme": "light"|"dark"}                     what the page is told that the system prefers
  {"evaluate": EXPRESSION}                       its value, as JSON
  {"wait": EXPRESSION, "seconds": 10}            until it is true; an error if it is not by then
  {"move": [X, Y]}                               the pointer, to this place of the page
  {"press": "ArrowLeft"}                         a key, on what has the focus
  {"screenshot": PATH}                           a PNG of what is visible
  {"seen": true}                                 what happened since the page was opened: errors it told the console,
                                                 exceptions, and every address it asked for

Ends with its stdin, and after --seconds whatever happens. Chromium and its profile end with it.
"""

import argparse
import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

NAMES = ["chromium", "google-chrome", "chromium-browser"]
ANSWER_SECONDS = 20


class BrowserError(Exception):
    """One request failed; the next may still be asked."""


class TimeIsOver(Exception):
    pass


class Browser:
    """One Chromium and one page in it. Messages are JSON objects, each ended by a zero byte."""

    def __init__(self, profile):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            raise BrowserError("there is no Chromium on the PATH; on Debian: apt-get install chromium")
        # Chromium reads its descriptor 3 and writes its 4. All four ends go out of the way first, so that taking 3 and 4
        # for it cannot close one of them.
        pipes = os.pipe() + os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pipes]
        for end in pipes:
            os.close(end)
        os.dup2(ends[0], 3)
        os.dup2(ends[3], 4)
        self.process = subprocess.Popen(
            [
                program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run",
                # The sandbox refuses to run as root, and the page is our own.
                "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4),
            # A group of its own: Chromium is many processes, and all of them are to end.
            start_new_session=True,
        )
        for end in (3, 4, ends[0], ends[3]):
            os.close(end)
        self.commands, self.replies = ends[1], ends[2]
        self.unread = b""
        self.number = 0
        self.session = None
        self.loaded = False
        self.seen = {"errors": [], "requests": []}

    def message(self, until):
        """The next message, or None if there is none until then."""
        while b"\0" not in self.unread:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.replies], [], [], left)[0]:
                return None
            data = os.read(self.replies, 1 << 16)
            if not data:
                raise BrowserError("Chromium ended")
            self.unread += data
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self.commands, data):]
        until = time.monotonic() + ANSWER_SECONDS
        while (message := self.message(until)) is not None:
            if message.get("id") == self.number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error'].get('message')}")
                return message["result"]
            self.event(message)
        raise BrowserError(f"{method}: no answer within {ANSWER_SECONDS} s")

    def event(self, message):
        parameters = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self.loaded = True
            case "Network.requestWillBeSent":
                self.seen["requests"].append(parameters["request"]["url"])
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                self.seen["errors"].append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.seen["errors"].append(" ".join(str(a.get("value", a.get("description"))) for a in parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                entry = parameters["entry"]
                self.seen["errors"].append(f"{entry['text']} {entry.get('url', '')}")

    def attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def open(self, url, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.seen = {"errors": [], "requests": []}
        self.loaded = False
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")
        until = time.monotonic() + ANSWER_SECONDS
        while not self.loaded:
            message = self.message(until)
            if message is None:
                raise BrowserError(f"{url}: not loaded within {ANSWER_SECONDS} s")
            self.event(message)

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, expression, seconds):
        until = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > until:
                raise BrowserError(f"not true within {seconds} s: {expression}")
            time.sleep(0.1)

    def perform(self, request):
        match request:
            case {"open": url}:
                self.open(url, request.get("width", 1280), request.get("height", 800))
            case {"scheme": scheme}:
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                self.call("Emulation.setEmulatedMedia", features=features)
            case {"evaluate": expression}:
                return self.evaluate(expression)
            case {"wait": expression}:
                self.wait(expression, request.get("seconds", 10))
            case {"move": [x, y]}:
                self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
            case {"press": key}:
                typed = {"text": key} if len(key) == 1 else {}
                self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **typed)
                self.call("Input.dispatchKeyEvent", type="keyUp", key=key)
            case {"screenshot": path}:
                image = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
                with open(path, "wb") as file:
                    file.write(image)
            case {"seen": _}:
                return self.seen
            case _:
                raise BrowserError(f"no such request: {', '.join(request)}")
        return None

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def timed_out(signal_number, frame):
    raise TimeIsOver("the time given to this browser is over")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    # Who starts this may have blocked signals in it, and in the Chromium that it starts: the alarm must come.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGALRM, timed_out)
    signal.alarm(parser.parse_args().seconds)
    # The test that started this may be stopped: that must not leave a Chromium behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    profile = tempfile.mkdtemp(prefix="sluice-browser-")
    browser = None
    try:
        browser = Browser(profile)
        browser.attach()
        for line in sys.stdin:
            try:
                answer = {"value": browser.perform(json.loads(line))}
            except BrowserError as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), flush=True)
    except (BrowserError, TimeIsOver) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    finally:
        if browser:
            browser.end()
        shutil.rmtree(profile, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
