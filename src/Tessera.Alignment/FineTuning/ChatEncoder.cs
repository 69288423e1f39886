using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;
using Tessera.Training.Data;

namespace Tessera.Alignment.FineTuning;

/// <summary>
/// Renders conversations and says which of their tokens are learned: what the assistant writes, its end of turn included, and
/// nothing that the template or another role writes.
/// </summary>
/// <remarks>
/// Turn k is what rendering messages[..k] with a generation prompt and rendering messages[..k+1] differ by; it counts if both are
/// beginnings of the whole rendering, which fails for turns that the template rewrites later (reasoning stripped from history).
/// Each piece is tokenised on its own, as at inference, where the prompt is complete before the first new token.
/// </remarks>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="format">The model's conversation format.</param>
/// <param name="stopIds">Tokens that end a turn.</param>
public sealed class ChatEncoder(Tokenizer tokenizer, ChatFormat format, IReadOnlyList<int> stopIds)
{
    /// <summary>The conversation format.</summary>
    public ChatFormat Format => format;

    /// <summary>A conversation as tokens with weights: 1 for the assistant's, 0 for the rest.</summary>
    /// <exception cref="InvalidDataException">No turn can be learned from; the sentence says why.</exception>
    public TokenDocument Encode(ChatRow row)
    {
        var ids = new List<int>();
        var weights = new List<float>();
        foreach (var (text, learned) in Pieces(row))
        {
            int[] piece = tokenizer.Encode(text, addSpecialTokens: false, parseSpecial: true);

            // Behind the end of its turn the template may write more, a line break for instance: never produced by the model.
            int end = learned ? LastStop(piece) : 0;
            ids.AddRange(piece);
            for (int i = 0; i < piece.Length; i++)
            {
                weights.Add(i < end ? 1f : 0f);
            }
        }

        return weights.Contains(1f)
            ? new TokenDocument([.. ids], [.. weights])
            : throw new InvalidDataException(
                $"{row.Source}: the template leaves no assistant turn as it was written, so there is nothing to learn");
    }

    /// <summary>The rendering in pieces that are or are not learned.</summary>
    public IReadOnlyList<(string Text, bool IsLearned)> Pieces(ChatRow row)
    {
        string whole = Render(row, row.Messages.Count, toAnswer: false);
        var pieces = new List<(string, bool)>();
        int done = 0;
        for (int k = 0; k < row.Messages.Count; k++)
        {
            if (!ChatRow.IsAssistant(row.Messages[k]))
            {
                continue;
            }

            string before = Render(row, k, toAnswer: true);
            string after = k == row.Messages.Count - 1 ? whole : Render(row, k + 1, toAnswer: false);
            if (before.Length >= done && after.Length > before.Length && after.StartsWith(before, StringComparison.Ordinal)
                && whole.StartsWith(after, StringComparison.Ordinal))
            {
                pieces.Add((whole[done..before.Length], false));
                pieces.Add((whole[before.Length..after.Length], true));
                done = after.Length;
            }
        }

        if (done < whole.Length)
        {
            pieces.Add((whole[done..], false));
        }

        return pieces;
    }

    // The date is fixed: a run that goes on another day learns the same tokens.
    private string Render(ChatRow row, int turns, bool toAnswer) => format.Render([.. row.Messages.Take(turns)], new ChatRenderOptions
    {
        AddGenerationPrompt = toAnswer,
        Variables = row.Variables,
        Now = DateTime.UnixEpoch,
    });

    /// <summary>One past the last stop token; the whole piece where there is none.</summary>
    private int LastStop(int[] piece)
    {
        int last = Array.FindLastIndex(piece, id => stopIds.Contains(id));
        return last < 0 ? piece.Length : last + 1;
    }
}
