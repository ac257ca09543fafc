"""The carriers that eBay's Trading API lists (GeteBayDetails, ShippingCarrierDetails): an excerpt."""

from __future__ import annotations

_TEXT = """
    4PX AnPost APC ARAMEX Asendia AustraliaPost BartoliniBRT Bpost BRT CanadaPost ChinaPost Chronopost CityLink
    Colissimo CoordinadoraMercantil Correos CTT DBSchenker DeutschePost DHL DHLEXPRESS DHLGlobalMail DHLPaket
    DPD DPDUK eBayNow ePacket Estafeta Evri FASTWAYCOURIERS FedEx FedExSmartPost GlobalPost GLS Hermes
    HermesWorld IloxxAG IndiaPost InPost IParcel ItalyPost JapanPost KoreaPost LandmarkGlobal LaPoste LaserShip
    MalaysiaPost Mondial MondialRelay Newgistics NewZealandPost OnTrac Other Parcelforce ParcelPool PitneyBowes
    PosteItaliane Posten PostNL PostNord Purolator RoyalMail SDA SFExpress SingaporePost Speedpak StarTrack
    SwissPost TNT Toll UBI UKMail UPS UPSMailInnovations USPS WinitTracking YanWen Yanwen Yodel YunExpress
"""
CARRIERS = frozenset(_TEXT.split())
