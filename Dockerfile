# syntax=docker/dockerfile:1
# One static binary and the certificates it trusts: nothing else is in the final image.

FROM rust:1.95-alpine AS build
RUN apk add --no-cache ca-certificates gcc linux-headers make musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# Tests and benches are named in Cargo.toml but not needed here.
COPY tests tests
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin pgsiphon \
    && cp target/release/pgsiphon /pgsiphon

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /pgsiphon /pgsiphon
# nobody: a dump needs no privileges of its machine.
USER 65534:65534
ENTRYPOINT ["/pgsiphon"]
CMD ["--help"]
