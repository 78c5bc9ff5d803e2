"""What every stage needs and no stage owns: errors, files, commands, child processes.

Nothing here imports anything else of the project, so that everybody may import it.
"""
