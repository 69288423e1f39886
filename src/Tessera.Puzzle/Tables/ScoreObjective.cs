namespace Tessera.Puzzle.Tables;

/// <summary>What is minimised where variants have a score of their own in every scenario.</summary>
public enum ScoreObjective
{
    /// <summary>The mean over scenarios by their weights.</summary>
    Weighted,

    /// <summary>The score in the scenario where it is highest.</summary>
    Worst,
}
