"""From the SVM's configuration to the engine's settings."""

from hyperward.ips.engine.settings import MIB, EngineSettings
from hyperward.svm.config import SvmConfig


def engine_settings(config: SvmConfig) -> EngineSettings:
    """Return the engine's settings for this SVM."""
    engine = config.engine
    optional = {"threads": engine.threads} if engine.threads is not None else {}
    return EngineSettings(
        binary=config.engine_binary,
        run_dir=config.run_dir / "engine",
        log_dir=config.state_dir / "engine",
        mtu=engine.mtu,
        flow_memory=engine.flow_memcap_mb * MIB,
        stream_memory=engine.stream_memcap_mb * MIB,
        reassembly_memory=engine.reassembly_memcap_mb * MIB,
        defrag_memory=engine.defrag_memcap_mb * MIB,
        **optional,
    )
