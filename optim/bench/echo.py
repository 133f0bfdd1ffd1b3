"""The far end of raw pyzmq: `echo.py ADDRESS PARTS BACK` gets that many messages and sends the first ones back."""

from __future__ import annotations

import sys

import zmq


def main(address: str, parts: int, back: int) -> None:
    """Until an empty message comes."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
        socket.connect(address)
        while True:
            frames = []
            for _ in range(parts):
                frame = socket.recv(copy=False)
                if len(frame) == 0:
                    return
                frames.append(frame)
            for frame in frames[:back]:
                socket.send(frame, copy=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
