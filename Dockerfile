# AutoGPT on the processor, as a user without rights; docs/en/docker.md says how to use it.
FROM python:3.11-slim AS build
# The usual torch for Linux brings gigabytes for graphics cards; PyTorch's index for the processor does not.
ARG TORCH_INDEX=
WORKDIR /source
RUN python -m venv /opt/autogpt
COPY constraints.txt ./
RUN /opt/autogpt/bin/pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -c constraints.txt torch
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/autogpt/bin/pip install --no-cache-dir -c constraints.txt ".[serve,agent,evaluate,media]"

FROM python:3.11-slim
# With g++ the decode kernel is compiled for this processor; without it all works, only slower.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
# The number of whoever owns the files outside: a file of keys has to be readable by that user alone.
ARG UID=1000
RUN useradd --create-home --uid "$UID" autogpt \
 && install --directory --owner autogpt --group autogpt /work /home/autogpt/.cache /home/autogpt/.cache/autogpt
COPY --from=build /opt/autogpt /opt/autogpt
ENV PATH=/opt/autogpt/bin:$PATH
USER autogpt
WORKDIR /work
ENTRYPOINT ["autogpt"]
CMD ["--help"]
