# One image, one binary: `dmq`. The command of the container says which part it plays.
FROM rust:1.95.0-bookworm AS build
# The compiler that rust-toolchain.toml names is this image's own. Without this, rustup would fetch the lints that stand there, too.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package cli && cp target/release/dmq /dmq

FROM debian:bookworm-slim
# For health checks, and for whoever looks around from inside.
RUN apt-get update && apt-get install --yes --no-install-recommends curl && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home --home-dir /var/lib/dmq dmq
COPY --from=build /dmq /usr/local/bin/dmq
USER dmq
WORKDIR /var/lib/dmq
VOLUME /var/lib/dmq
ENTRYPOINT ["dmq"]
CMD ["--help"]
