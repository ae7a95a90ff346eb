-- MLflow's database is made by the image; Optuna needs its own: both keep a table called alembic_version.
CREATE DATABASE optuna;
