"""Java programs from Maven's repository: the jars that a coordinate needs, in one folder."""

from pathlib import Path

from ops.native.install import run

LIMIT_S = 1200
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def fetch_jars(coordinates: tuple[str, ...], folder: Path) -> None:
    """Put the jars of these `group:artifact:version`, and all that they need at run time, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pom = folder.parent / "pom.xml"
    pom.write_text(_project(coordinates))
    options = [f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    run(["mvn", "-q", "-B", "-ntp", "-f", str(pom), COPY_DEPENDENCIES, *options], LIMIT_S)


def _project(coordinates: tuple[str, ...]) -> str:
    needs = "".join(_dependency(*each.split(":")) for each in coordinates)
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>chat4all.native</groupId><artifactId>server</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{needs}</dependencies></project>\n"
    )


def _dependency(group: str, artifact: str, version: str) -> str:
    return f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
