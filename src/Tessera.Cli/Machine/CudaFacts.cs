using Tessera.Devices;
using Tessera.Interop;

namespace Tessera.Cli.Machine;

/// <summary>Cards of this machine, and what keeps them from being used.</summary>
/// <param name="Cards">Each card, and why it cannot be used; null where it can.</param>
/// <param name="Missing">Why there is no card to use; null where there is one.</param>
internal sealed record CudaFacts(IReadOnlyList<(CudaCard Card, string? Objection)> Cards, string? Missing)
{
    public static CudaFacts Read()
    {
        try
        {
            (CudaCard Card, string? Objection)[] cards = [.. CudaCard.All().Select(card => (card, card.Objection()))];
            return new CudaFacts(
                cards,
                cards.Length == 0 ? "the driver finds no card"
                : cards.All(card => card.Objection is not null) ? cards[0].Objection
                : null);
        }
        catch (Exception error) when (error is NotSupportedException or CudaException)
        {
            return new CudaFacts([], error.Message);
        }
    }
}
