using System.Text;
using Tessera.Models.Tokenizers;
using Tessera.Training.Data;

namespace Tessera.Cli.Output;

/// <summary>A document with the text that is learned set apart: green on a terminal, between « and » elsewhere.</summary>
internal static class LearnedText
{
    private const string Green = "\u001b[32m";
    private const string Dim = "\u001b[2m";
    private const string Plain = "\u001b[0m";

    public static void Print(Tokenizer tokenizer, TokenDocument document, string title)
    {
        bool colours = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null;
        int learned = document.Weights.Count(weight => weight > 0);
        Console.WriteLine($"-- {title}: {document.Ids.Length} tokens, {learned} learned");
        Console.WriteLine(Render(tokenizer, document, colours));
    }

    /// <summary>The text with its learned parts marked.</summary>
    public static string Render(Tokenizer tokenizer, TokenDocument document, bool colours)
    {
        var text = new StringBuilder();
        for (int start = 0; start < document.Ids.Length;)
        {
            bool isLearned = document.Weights[start] > 0;
            int end = start;
            while (end < document.Ids.Length && document.Weights[end] > 0 == isLearned)
            {
                end++;
            }

            string part = tokenizer.Decode(document.Ids.AsSpan(start, end - start), skipSpecialTokens: false);
            text.Append(isLearned ? (colours ? Green : "«") : colours ? Dim : string.Empty)
                .Append(part)
                .Append(colours ? Plain : isLearned ? "»" : string.Empty);
            start = end;
        }

        return text.ToString();
    }
}
