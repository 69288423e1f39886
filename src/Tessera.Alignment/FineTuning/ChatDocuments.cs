using Tessera.Evaluation.Problems;
using Tessera.Models.Templates;
using Tessera.Tasks;
using Tessera.Training.Data;

namespace Tessera.Alignment.FineTuning;

/// <summary>Conversations of a file, visited in a new seeded order each pass.</summary>
public sealed class ChatDocuments : IDocumentSource
{
    private readonly TokenDocument[] _documents;
    private readonly SeededOrder _order;

    /// <summary>Encodes all rows.</summary>
    /// <param name="encoder">Renders and weighs.</param>
    /// <param name="rows">The conversations.</param>
    /// <param name="maxLength">Most tokens of one; longer ones are left out, since their end of turn would be cut off.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <exception cref="InvalidDataException">No row is left.</exception>
    public ChatDocuments(ChatEncoder encoder, IEnumerable<ChatRow> rows, int maxLength, ulong seed)
    {
        var documents = new List<TokenDocument>();
        foreach (var row in rows)
        {
            var document = encoder.Encode(row);
            if (document.Ids.Length <= maxLength)
            {
                documents.Add(document);
            }
            else
            {
                TooLong++;
            }
        }

        _documents = [.. documents];
        if (_documents.Length == 0)
        {
            throw new InvalidDataException($"no conversation of at most {maxLength} tokens to learn from ({TooLong} are longer)");
        }

        _order = new SeededOrder(_documents.Length, seed);
    }

    /// <summary>Conversations of one pass.</summary>
    public int Count => _documents.Length;

    /// <summary>Conversations that were left out for their length.</summary>
    public int TooLong { get; }

    /// <inheritdoc />
    public TokenDocument Get(long index) => _documents[_order.At(index)];
}

/// <summary>Generated problems as conversations, each twice in a row: with reasoning on and with reasoning off.</summary>
/// <param name="encoder">Renders and weighs.</param>
/// <param name="problems">The problems, without end.</param>
/// <param name="modes">The modes each problem is put in.</param>
public sealed class PairedConversations(ChatEncoder encoder, ProblemSource problems, IReadOnlyList<ThinkingMode> modes) : IDocumentSource
{
    /// <summary>The conversation of a problem in a mode, answered perfectly.</summary>
    public static ChatRow Row(ChatTemplate template, Problem problem, ThinkingMode mode)
    {
        var (messages, variables) = ProblemPrompts.Conversation(template, problem, mode);
        return new ChatRow([.. messages, ProblemPrompts.Reply(problem, mode)], $"problem '{problem.Question}'") { Variables = variables };
    }

    /// <inheritdoc />
    public TokenDocument Get(long index) =>
        encoder.Encode(Row(encoder.Format.Template, problems.Create(index / modes.Count), modes[(int)(index % modes.Count)]));
}
