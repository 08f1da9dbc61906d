"""What `vaelib lab` adds to JupyterLab: settings, and how it reads and writes files."""
