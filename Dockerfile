# syntax=docker/dockerfile:1
# The final image contains only a static binary and the CA certificates it trusts.

FROM rust:1.95-alpine AS build
RUN apk add --no-cache ca-certificates gcc linux-headers make musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# Cargo.toml names the tests and benchmarks, so cargo needs their files.
COPY tests tests
COPY benches/micro benches/micro
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin pgsiphon \
    && cp target/release/pgsiphon /pgsiphon

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /pgsiphon /pgsiphon
# nobody: a dump needs no privileges on the machine.
USER 65534:65534
ENTRYPOINT ["/pgsiphon"]
CMD ["--help"]
