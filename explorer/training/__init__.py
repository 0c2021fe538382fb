"""The drawer below the stage: training, and what has been learned."""
