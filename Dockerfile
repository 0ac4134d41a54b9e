# One image, one binary: `dmq`. The command of the container says which part it plays.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package cli && cp target/release/dmq /dmq

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/dmq dmq
COPY --from=build /dmq /usr/local/bin/dmq
USER dmq
WORKDIR /var/lib/dmq
VOLUME /var/lib/dmq
ENTRYPOINT ["dmq"]
CMD ["--help"]
