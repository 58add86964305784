# One image for every part; the command says which. Built in two steps, so that compilers and caches stay behind.
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python -m venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH
COPY requirements.lock ./
# What the registry gives must be what was locked; nothing is fetched beside it.
RUN pip install --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-deps --no-build-isolation -e . \
 && python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. --grpc_python_out=. proto/chat4all/v1/chat.proto \
 # Compiled here, once: whoever runs it may not write beside the sources, and would compile at every start.
 && python -m compileall -q -x '/\.venv/' .

FROM python:3.12-slim
# At home in /data, the one place it may write: a login of the command line is kept there.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin chat4all \
 && install -d -o chat4all -g chat4all /data
RUN install -d -o chat4all -g chat4all /data/search
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 CHAT4ALL_DATA=/data CHAT4ALL_HOST=0.0.0.0
COPY --from=build /app /app
WORKDIR /app
USER 10001
VOLUME /data
ENTRYPOINT ["chat4all"]
CMD ["gateway"]
