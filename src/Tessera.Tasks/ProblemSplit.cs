namespace Tessera.Tasks;

/// <summary>Which side of the border between training and evaluation a source draws from.</summary>
public enum ProblemSplit
{
    /// <summary>Questions outside the evaluation bucket.</summary>
    Training,

    /// <summary>Questions inside the evaluation bucket, never shown in training.</summary>
    Evaluation,
}
