namespace Tessera.Tasks;

/// <summary>A problem with its worked solution and its answer.</summary>
/// <remarks>
/// Canonical text: <c>Q:47+85\nA:7+5+0=12;4+8+1=13;\n#### 132\n</c>. The reasoning always begins with a digit and there is no
/// space after <c>A:</c>, so a tokenizer that keeps every digit apart cuts the text at the border between
/// <see cref="Prompt"/> and <see cref="Completion"/> as it cuts the two parts alone.
/// </remarks>
/// <param name="Task">Name of the task in the <see cref="TaskCatalog"/>.</param>
/// <param name="Level">Difficulty, from 1.</param>
/// <param name="Question">What is asked, one line: <c>47+85</c>.</param>
/// <param name="Reasoning">Steps, each closed by a semicolon: <c>7+5+0=12;4+8+1=13;</c>.</param>
/// <param name="Answer">Canonical integer (<c>132</c>, <c>-7</c>) or list of them joined by commas (<c>3,12,47</c>).</param>
public sealed record Problem(string Task, int Level, string Question, string Reasoning, string Answer)
{
    /// <summary>Everything up to where the model continues: <c>Q:47+85\nA:</c>.</summary>
    public string Prompt => $"Q:{Question}\nA:";

    /// <summary>What a perfect model writes after the prompt: <c>7+5+0=12;4+8+1=13;\n#### 132\n</c>.</summary>
    public string Completion => $"{Reasoning}\n{AnswerExtractor.Marker} {Answer}\n";

    /// <summary>Prompt and completion in one piece, the form that is trained on.</summary>
    public string ToText() => Prompt + Completion;
}
